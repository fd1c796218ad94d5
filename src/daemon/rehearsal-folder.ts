/**
 * The folder that a comparison of the fleet (fleet-diff.ts) makes its copies in: what the last installs were told is in them, and so
 * none may outlive its comparison, nor a process that was killed.
 */
import {
  makeProcessFolder,
  removeLeftFolders,
  removeProcessFolder,
} from '../platform/process-folder.ts';

const PREFIX = 'reveille-rehearsal-';

/** Nobody but us can read it. */
export const makeRehearsalFolder = (): string => makeProcessFolder(PREFIX);

export const removeRehearsalFolder = (folder: string): void => removeProcessFolder(folder);

/** To be called before this process makes its first. */
export const removeLeftRehearsals = (): void => removeLeftFolders(PREFIX, { own: true });
