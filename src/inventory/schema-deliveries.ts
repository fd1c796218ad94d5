/**
 * Deliveries: what a supplier says is on the pallets, line by line. Whether it has come is never stored: it follows from the
 * machines that are on record (deliveries.ts).
 */
export const DELIVERIES_SCHEMA = `
  CREATE TABLE deliveries (
    name TEXT PRIMARY KEY,             -- often the order's number
    version INTEGER NOT NULL,
    supplier TEXT NOT NULL,
    expected_on TEXT NOT NULL,         -- a day; '' when not known
    notes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE delivery_lines (
    delivery TEXT NOT NULL REFERENCES deliveries (name) ON DELETE CASCADE,
    line INTEGER NOT NULL,             -- from 1, as in the list
    serial TEXT NOT NULL,
    serial_key TEXT NOT NULL,          -- folded like machines.serial_key
    product TEXT NOT NULL,
    rack TEXT NOT NULL,
    unit INTEGER NOT NULL,             -- 0: any
    PRIMARY KEY (delivery, line)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX delivery_lines_by_serial ON delivery_lines (serial_key);
`;
