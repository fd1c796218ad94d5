/**
 * The query string of machine lists, made from the table of fields: `state=in-use,broken`, `rack.not=R1`,
 * `hostname.like=fancydb*`, `memoryBytes.gte=68719476736`, `tags=ssd,gpu` (all of them), `custom=purpose=db`,
 * `sort=-memoryBytes`. An empty value means "not set": `hostname=`. Those of NICs (`nic.switch=sw1&nic.port=Ethernet4`) hold
 * together of one NIC, those of parts (`disk.model.like=SAMSUNG*&disk.firmware=GXA5302Q`) of one disk, module or device.
 */
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { FIELD_NAMES, type FieldName, MACHINE_FIELDS } from '../../inventory/machine-fields.ts';
import { isPartField, PART_FIELDS, PART_NAMES } from '../../inventory/machine-parts.ts';
import {
  type Filter,
  type FilterField,
  type FilterOp,
  isNicField,
  type ListQuery,
  NIC_FIELDS,
  type NicField,
} from '../../inventory/machine-query.ts';
import { limit } from '../../limits.ts';
import { parseIpv4 } from '../../wire/ipv4.ts';
import { parseMac } from '../../wire/mac.ts';
import { pageQuery } from './schemas.ts';

const OPS: Record<(typeof MACHINE_FIELDS)[FieldName]['type'], readonly FilterOp[]> = {
  text: ['is', 'not', 'like'],
  date: ['is', 'not', 'gte', 'lte'],
  integer: ['is', 'not', 'gte', 'lte'],
  time: ['gte', 'lte'],
  flag: ['is'],
  list: ['has'],
  map: ['has'],
};

const SAYS: Record<FilterOp, string> = {
  is: 'any of these, divided by commas',
  not: 'none of these',
  like: 'with * and ? as wildcards',
  gte: 'at least',
  lte: 'at most',
  has: 'all of these, divided by commas',
};

/** The parameter of a filter: `is` and `has` go by the field's own name. */
const parameter = (name: FilterField, op: FilterOp): string =>
  op === 'is' || op === 'has' ? name : `${name}.${op}`;

/** An address or a MAC is looked up whole; names of switches and ports have patterns. */
const NIC_OPS: Record<NicField, readonly FilterOp[]> = {
  'nic.mac': ['is'],
  'nic.switch': ['is', 'like'],
  'nic.port': ['is', 'like'],
  'nic.address': ['is'],
  'nic.subnet': ['is'],
};

const FILTERS = [
  ...FIELD_NAMES.flatMap((name) =>
    OPS[MACHINE_FIELDS[name].type].map((op) => ({ name, op, says: MACHINE_FIELDS[name].says })),
  ),
  ...(Object.keys(NIC_OPS) as NicField[]).flatMap((name) =>
    NIC_OPS[name].map((op) => ({ name, op, says: NIC_FIELDS[name].says })),
  ),
  ...PART_NAMES.flatMap((name) =>
    (['is', 'like'] as const).map((op) => ({ name, op, says: PART_FIELDS[name].says })),
  ),
].map((filter) => ({ ...filter, parameter: parameter(filter.name, filter.op) }));

const filterText = z.string().max(limit('notesCharsMax'));

export const filterShape: Record<string, z.ZodOptional<z.ZodString>> = Object.fromEntries(
  FILTERS.map(({ op, says, parameter }) => [
    parameter,
    filterText.optional().describe(`${says} ${SAYS[op]}`),
  ]),
);

const sortText = z
  .string()
  .refine(
    (sort) => FIELD_NAMES.includes(sort.replace(/^-/, '') as FieldName),
    'not a field, or a field with - before it',
  );

export const machineListQuery = z.strictObject({
  ...filterShape,
  sort: sortText.default('hardwarename').describe('A field; - before it for falling order'),
  cursor: z.string().max(2048).optional().describe('`next` of the page before'),
  include: z.enum(['hardware']).optional().describe('The last report of each machine too'),
  ...pageQuery,
});

export function listQueryOf(query: z.output<typeof machineListQuery>): ListQuery {
  const { sort, cursor, limit: count } = query;
  return {
    filters: filtersOf(query),
    sort: sort.replace(/^-/, '') as FieldName,
    descending: sort.startsWith('-'),
    count,
    cursor,
  };
}

/** @throws AppError REQUEST_INVALID for a value that the field cannot have */
export function filtersOf(query: Readonly<Record<string, unknown>>): Filter[] {
  return FILTERS.flatMap(({ name, op, parameter }): Filter[] => {
    const given = query[parameter];
    if (typeof given !== 'string') return [];
    const values = given === '' ? [''] : given.split(',');
    if (op === 'like' || op === 'has') assertFew(values, parameter);
    return [{ field: name, op, values: values.map((value) => readValue(name, value, parameter)) }];
  });
}

/** @throws AppError REQUEST_INVALID for more than a list may look for */
function assertFew(values: readonly string[], parameter: string): void {
  const [most, chars] = [limit('likeValuesMax'), limit('likeCharsMax')];
  if (values.length <= most && values.every(({ length }) => length <= chars)) return;
  const detail = `takes ${most} values of ${chars} characters at most`;
  throw new AppError('REQUEST_INVALID', { detail, path: `/${parameter}` });
}

/** Any spelling of a MAC, and an address as the table holds it. */
const NIC_READERS: Partial<Record<NicField, (value: string) => string | number | undefined>> = {
  'nic.mac': parseMac,
  'nic.address': parseIpv4,
};

function readValue(name: FilterField, value: string, parameter: string): string | number | boolean {
  const wrong = (detail: string) =>
    new AppError('REQUEST_INVALID', { detail, path: `/${parameter}` });
  if (isNicField(name)) {
    const read = NIC_READERS[name]?.(value) ?? (NIC_READERS[name] ? undefined : value);
    if (read === undefined) throw wrong('is no whole MAC or address');
    return read;
  }
  if (isPartField(name)) return value;
  const { type } = MACHINE_FIELDS[name];
  switch (type) {
    case 'flag':
      if (value !== 'true' && value !== 'false') throw wrong('is true or false');
      return value === 'true';
    case 'integer':
    case 'time':
      if (!/^-?\d{1,16}$/.test(value)) throw wrong('is a whole number');
      return Number(value);
    case 'text':
    case 'date':
    case 'list':
    case 'map':
      return value;
  }
}
