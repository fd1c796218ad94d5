/**
 * The flight record of a boot: every wire that it crossed, in the order of time, and the two files that it is exported as. Long ones
 * are shown by their beginning and their end; the files have all of it.
 */
import { entryWords } from '../../diagnose/entry-words.ts';
import type { Flight } from '../../diagnose/flight.ts';
import { read } from '../api.ts';
import { tellProblem } from '../notices.ts';
import { Panel, Reading, Table } from '../parts/common.tsx';
import { useRead } from '../resource.ts';

const FIRST = 40;
const LAST = 160;

export function FlightRecord({ boot }: { boot: string }) {
  const record = useRead<Flight>(`boots/${boot}/flight`, (event) => event.boot === boot);
  const files = (
    <span>
      <a class="button" href={`/api/v1/boots/${boot}/flight`} download={`${boot}.json`}>
        JSON
      </a>{' '}
      <button type="button" onClick={() => void savePackets(boot).catch(tellProblem)}>
        Packets (pcapng)
      </button>
    </span>
  );
  return (
    <Panel title="Flight record" beside={record.value && files} wide>
      <Reading of={record} />
      {record.value && <Entries flight={record.value} />}
    </Panel>
  );
}

function Entries({ flight: { entries, startedAt } }: { flight: Flight }) {
  const left = Math.max(0, entries.length - FIRST - LAST);
  const lines = left > 0 ? [...entries.slice(0, FIRST), ...entries.slice(-LAST)] : entries;
  return (
    <>
      <Table label="What it said and heard" head={[{ figures: 'Seconds' }, 'Wire', 'What']}>
        {lines.map((entry, index) => (
          <tr key={index}>
            <td class="number">{((entry.at - startedAt) / 1000).toFixed(3)}</td>
            <td>{entry.kind}</td>
            <td class="mono">{entryWords(entry)}</td>
          </tr>
        ))}
      </Table>
      {left > 0 && <p class="dim">{left} entries in the middle are in the file only.</p>}
    </>
  );
}

/** @throws Problem */
async function savePackets(boot: string): Promise<void> {
  const { pcapng } = await read<{ pcapng: string }>(`boots/${boot}/capture`);
  const bytes = Uint8Array.from(atob(pcapng), (char) => char.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  const link = Object.assign(document.createElement('a'), {
    href: url,
    download: `${boot}.pcapng`,
  });
  link.click();
  URL.revokeObjectURL(url);
}
