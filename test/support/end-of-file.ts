/** Before each file of tests: what this sets up first ends last, after all that the file itself does at its end. */
import { afterAll } from 'vitest';
import { removeFolders } from './temporary-folder.ts';

afterAll(removeFolders);
