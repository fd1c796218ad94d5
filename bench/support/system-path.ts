/**
 * To be imported for its effect: servers and file system tools are in folders that a PATH of `su` without a dash, of cron and of a
 * service has not, and dpkg ends without some of them. Programs that are started inherit it.
 */
import { delimiter } from 'node:path';

const path = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
process.env.PATH = [...new Set([...path, '/usr/sbin', '/usr/bin', '/sbin', '/bin'])].join(
  delimiter,
);
