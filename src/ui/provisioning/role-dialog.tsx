/** What a role brings, written anew as a whole; the version that was read goes along, so that nobody's change is lost. */
import { call } from '../api.ts';
import type { RoleRecord } from '../pages/roles.tsx';
import { WhyDialog } from '../parts/why-dialog.tsx';
import { metadataText, readMetadata } from './role-text.ts';
import { linesOf } from './wish.ts';

interface RoleDialogProps {
  /** A role without a record by its name alone; '' is one that is to be named. */
  readonly of: RoleRecord | string;
  close(): void;
}

const NOTHING = { version: 0, metadata: {}, sshKeys: [], userData: '', notes: '' };

export function RoleDialog({ of, close }: RoleDialogProps) {
  const role = typeof of === 'string' ? { ...NOTHING, name: of } : of;
  const write = async (why: string, form: FormData) => {
    const text = (name: string) => String(form.get(name) ?? '');
    const name = role.name || text('name').trim();
    const body = {
      metadata: readMetadata(text('metadata')),
      sshKeys: linesOf(text('sshKeys')),
      userData: text('userData'),
      notes: text('notes').trim(),
    };
    const path = `roles/${encodeURIComponent(name)}?why=${encodeURIComponent(why)}`;
    await call('PUT', path, { body, version: role.version });
  };
  return (
    <WhyDialog
      title={role.name === '' ? 'New role' : `What ${role.name} brings`}
      says="Its machines get this with their next install. Whoever may read records sees it: no secrets."
      word="Write it"
      told="It is written."
      act={write}
      close={close}
    >
      {role.name === '' && (
        <label>
          Name
          <input name="name" required autocapitalize="none" autocomplete="off" />
        </label>
      )}
      <label>
        Metadata: a name and a value in each line
        <textarea
          name="metadata"
          placeholder="cluster: main"
          spellcheck={false}
          defaultValue={metadataText(role.metadata)}
        />
      </label>
      <label>
        Public keys of root, one a line
        <textarea name="sshKeys" spellcheck={false} defaultValue={role.sshKeys.join('\n')} />
      </label>
      <label>
        User-data for cloud-init
        <textarea name="userData" spellcheck={false} defaultValue={role.userData} />
      </label>
      <label>
        Notes
        <input name="notes" autocomplete="off" defaultValue={role.notes} />
      </label>
    </WhyDialog>
  );
}
