/** Rates of the appliance's own counters, from its Prometheus metrics, read every few seconds while somebody looks. */
import { useEffect, useState } from 'preact/hooks';

const EVERY_MS = 3000;
const POINTS_MAX = 120;

interface Counted {
  readonly name: string;
  readonly unit: string;
  readonly metric: RegExp;
}

const COUNTED: readonly Counted[] = [
  { name: 'DHCP', unit: 'replies/s', metric: /^reveille_dhcp_replies_total/ },
  { name: 'DNS', unit: 'answers/s', metric: /^reveille_dns_(?:queries|answers|responses)_total/ },
  { name: 'HTTP to machines', unit: 'MB/s', metric: /^reveille_http_sent_bytes_total/ },
  {
    name: 'Packets refused',
    unit: '/s',
    metric: /^reveille_(?:dhcp|tftp|dns)_drop(?:s|ped)_total/,
  },
];

export interface Rate {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly number[];
}

/** The sum over all labels of each counter. */
export function sumMetrics(text: string): number[] {
  const sums = COUNTED.map(() => 0);
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const value = Number(line.slice(line.lastIndexOf(' ') + 1));
    COUNTED.forEach(({ metric }, index) => {
      if (metric.test(line)) sums[index] = (sums[index] ?? 0) + value;
    });
  }
  return sums;
}

export function useRates(): { rates: readonly Rate[]; problem: string } {
  const [points, setPoints] = useState<readonly (readonly number[])[]>(COUNTED.map(() => []));
  const [problem, setProblem] = useState('');
  useEffect(() => {
    let before: { at: number; sums: number[] } | undefined;
    const look = async () => {
      try {
        const answer = await fetch('/metrics');
        if (!answer.ok) throw new Error(`Metrics cannot be read (HTTP ${answer.status}).`);
        const next = { at: performance.now(), sums: sumMetrics(await answer.text()) };
        const last = before;
        before = next;
        setProblem('');
        if (!last) return;
        const seconds = (next.at - last.at) / 1000;
        setPoints((old) =>
          old.map((list, index) => {
            const grown = (next.sums[index] ?? 0) - (last.sums[index] ?? 0);
            return [...list, Math.max(0, grown) / seconds].slice(-POINTS_MAX);
          }),
        );
      } catch (error) {
        setProblem((error as Error).message);
      }
    };
    void look();
    const timer = setInterval(look, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const rates = COUNTED.map(({ name, unit }, index) => {
    const list = points[index] ?? [];
    return { name, unit, points: unit === 'MB/s' ? list.map((value) => value / 1e6) : list };
  });
  return { rates, problem };
}
