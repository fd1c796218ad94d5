/** Asks for the reason that will stand in the history, then acts; what is refused is told where it was asked. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { tell } from '../notices.ts';
import { Dialog } from './common.tsx';

export interface WhyDialogProps {
  readonly title: string;
  /** What will happen, before it does. */
  readonly says?: ComponentChildren;
  /** On the button. */
  readonly word: string;
  /** Told when it is done, by what was answered. */
  readonly told: string | ((answer: unknown) => string);
  readonly danger?: boolean;
  /** The API takes it without a reason. */
  readonly optional?: boolean;
  /** More fields of the form. */
  readonly children?: ComponentChildren;
  /** @throws Problem */
  act(why: string, form: FormData): Promise<unknown>;
  close(): void;
}

export function WhyDialog(props: WhyDialogProps) {
  const { title, says, word, told, danger = false, optional = false, children, close } = props;
  const [failed, setFailed] = useState('');
  const [busy, setBusy] = useState(false);
  const act = async (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    try {
      const answer = await props.act(String(form.get('why')).trim(), form);
      tell(typeof told === 'string' ? told : told(answer), 'good');
      close();
    } catch (error) {
      setFailed((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={close}>
      <form class="form" onSubmit={act}>
        {says && <p>{says}</p>}
        {children}
        <label>
          Why{optional && ', if that matters'}
          <input name="why" required={!optional} maxLength={500} autocomplete="off" />
        </label>
        {failed !== '' && (
          <p class="note bad" role="alert">
            {failed}
          </p>
        )}
        <button type="submit" class={danger ? 'danger' : 'primary'} disabled={busy}>
          {word}
        </button>
      </form>
    </Dialog>
  );
}
