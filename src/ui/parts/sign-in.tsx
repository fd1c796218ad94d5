/** Signing in: in the place of the page when nothing may be read without, or over it when somebody wants to act. */
import { useRef, useState } from 'preact/hooks';
import { Problem } from '../api.ts';
import { siteName } from '../fleet.ts';
import { signIn, signInOpen } from '../session.ts';
import { Dialog } from './common.tsx';

export function SignIn() {
  return (
    <main class="sign-in-page">
      <div class="sign-in">
        <img src="/icon.svg" alt="" width="56" height="56" />
        <h1>Reveille{siteName.value && ` · ${siteName.value}`}</h1>
        <SignInForm />
      </div>
    </main>
  );
}

export function SignInDialog() {
  return (
    <Dialog
      title="Sign in"
      onClose={() => {
        signInOpen.value = false;
      }}
    >
      <SignInForm />
    </Dialog>
  );
}

const WORDS: Readonly<Record<string, string>> = {
  LOGIN_FAILED: 'This name and password do not go together.',
  RATE_LIMITED: 'Too many attempts. Wait a minute.',
  OFFLINE: 'The appliance does not answer. Is this device on the network?',
};

function SignInForm() {
  const [failed, setFailed] = useState('');
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    const fields = new FormData(form.current ?? undefined);
    setBusy(true);
    setFailed('');
    try {
      await signIn(String(fields.get('user')).trim(), String(fields.get('password')));
    } catch (error) {
      const code = error instanceof Problem ? error.code : '';
      setFailed(WORDS[code] ?? (error as Error).message);
      setBusy(false);
    }
  };
  return (
    <form ref={form} class="form" onSubmit={submit}>
      <label>
        Name
        <input name="user" autocomplete="username" autocapitalize="none" required />
      </label>
      <label>
        Password
        <input name="password" type="password" autocomplete="current-password" required />
      </label>
      {failed !== '' && (
        <p class="note bad" role="alert">
          {failed}
        </p>
      )}
      <button type="submit" class="primary" disabled={busy}>
        {busy ? 'Signing in…' : 'Sign in'}
      </button>
    </form>
  );
}
