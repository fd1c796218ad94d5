/**
 * The feed's epoch (feed-epoch.ts); which epoch a webhook has been told of, and since when it fails; dead letters that are to
 * be sent again.
 */
export const FEED_SCHEMA = `
  INSERT INTO meta (key, value) VALUES ('feed_epoch', lower(hex(randomblob(6))));
  ALTER TABLE webhooks ADD COLUMN epoch TEXT NOT NULL DEFAULT '';
  ALTER TABLE webhooks ADD COLUMN failing_since INTEGER NOT NULL DEFAULT 0;
  UPDATE webhooks SET epoch = (SELECT value FROM meta WHERE key = 'feed_epoch');
  ALTER TABLE dead_letters ADD COLUMN epoch TEXT NOT NULL DEFAULT '';
  UPDATE dead_letters SET epoch = (SELECT value FROM meta WHERE key = 'feed_epoch');
  ALTER TABLE dead_letters ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX dead_letters_again ON dead_letters (webhook, id) WHERE again = 1;
`;
