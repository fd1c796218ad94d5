/** The signs of the navigation, drawn with lines so that they take the colour of their text. */
const PATHS = {
  board: 'M4 5h16M4 10h10M4 15h16M4 20h7',
  rack: 'M6 3h12v18H6zM6 8h12M6 13h12M9 5.5h.01M9 10.5h.01M9 16.5h.01',
  machine: 'M3 7h18v10H3zM7 12h.01M11 12h6',
  job: 'M12 3v4M12 17v4M3 12h4M17 12h4M12 12m-4 0a4 4 0 1 0 8 0 4 4 0 1 0-8 0',
  chart: 'M4 4v16h16M8 15l3-4 3 2 5-7',
  event: 'M5 6h.01M5 12h.01M5 18h.01M9 6h11M9 12h11M9 18h11',
  dns: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18',
  people:
    'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M3 20c0-4 3-6 6-6s6 2 6 6M16 4.5a3.5 3.5 0 0 1 0 6.500M17.500 14.500c2 .8 3.500 2.500 3.500 5.500',
  scan: 'M4 8V4h4M20 8V4h-4M4 16v4h4M20 16v4h-4M8 8v8M11 8v8M14 8v8M16.500 8v8',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  theme: 'M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18',
  box: 'M3 8l9-5 9 5v8l-9 5-9-5zM3 8l9 5 9-5M12 13v8',
  request: 'M4 6h11M4 12h7M4 18h7M18 11v8M14 15h8',
  pool: 'M5 5h6v6H5zM13 5h6v6h-6zM5 13h6v6H5zM13 13h6v6h-6z',
  squad:
    'M4 20v-3a4 4 0 0 1 8 0v3M12 20v-3a4 4 0 0 1 8 0v3M8 10a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5M16 10a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5',
  role: 'M12.500 3H4v8.500l9 9 8.500-8.500zM8.500 7.500h.01',
  image: 'M12 4a8 3 0 1 0 0 6 8 3 0 0 0 0-6M4 7v10c0 4 16 4 16 0V7M4 12c0 4 16 4 16 0',
  settings:
    'M4 7h9M17 7h3M4 17h3M11 17h9M15 7m-2 0a2 2 0 1 0 4 0 2 2 0 1 0-4 0M9 17m-2 0a2 2 0 1 0 4 0 2 2 0 1 0-4 0',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
