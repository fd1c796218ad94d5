/** Rates of the appliance's own counters, from its Prometheus metrics, read every few seconds while somebody looks. */
import { useEffect, useState } from 'preact/hooks';

const EVERY_MS = 3000;
const POINTS_MAX = 120;

export interface Counted {
  readonly name: string;
  readonly unit: string;
  /** What one of the unit is, in the counter's own. */
  readonly per: number;
  /** Counters that are added up; `only` says of which labels. A test holds that the daemon has them. */
  readonly metrics: readonly { readonly metric: string; readonly only?: RegExp }[];
}

export const COUNTED: readonly Counted[] = [
  { name: 'DHCP', unit: 'replies/s', per: 1, metrics: [{ metric: 'reveille_dhcp_replies_total' }] },
  {
    name: 'DNS',
    unit: 'answers/s',
    per: 1,
    metrics: [{ metric: 'reveille_dns_udp_answers_total' }],
  },
  { name: 'TFTP', unit: 'MB/s', per: 1e6, metrics: [{ metric: 'reveille_tftp_sent_bytes_total' }] },
  {
    ...{ name: 'HTTP to machines', unit: 'MB/s', per: 1e6 },
    metrics: [{ metric: 'reveille_http_sent_bytes_total' }],
  },
  {
    ...{ name: 'Refused', unit: 'packets/s', per: 1 },
    metrics: [
      { metric: 'reveille_dhcp_drops_total' },
      { metric: 'reveille_tftp_drops_total' },
      { metric: 'reveille_dns_udp_total', only: /outcome="(?:dropped|limited)"/ },
    ],
  },
];

export interface Rate {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly number[];
}

const LINE = /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)/;

/** The sum over all labels of each of COUNTED, from Prometheus' text format. */
export function sumMetrics(text: string): number[] {
  const sums = COUNTED.map(() => 0);
  for (const line of text.split('\n')) {
    const [, name, labels = '', value = ''] = LINE.exec(line) ?? [];
    if (name === undefined) continue;
    COUNTED.forEach(({ metrics }, index) => {
      const counts = metrics.some(
        ({ metric, only }) => metric === name && (only === undefined || only.test(labels)),
      );
      if (counts) sums[index] = (sums[index] ?? 0) + Number(value);
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
  const rates = COUNTED.map(({ name, unit, per }, index) => ({
    ...{ name, unit },
    points: (points[index] ?? []).map((value) => value / per),
  }));
  return { rates, problem };
}
