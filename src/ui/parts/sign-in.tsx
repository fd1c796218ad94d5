/** Signing in: in the place of the page when nothing may be read without, or over it when somebody wants to act. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { Problem } from '../api.ts';
import { siteName } from '../fleet.ts';
import { go, path, place, query } from '../router.ts';
import { type Provider, providerOf, signIn, signInOpen } from '../session.ts';
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
  SIGN_IN_FAILED: 'The identity provider has not confirmed who you are. Begin again.',
  SIGN_IN_REFUSED: 'The identity provider knows you, but you may not come in here.',
  IDENTITY_PROVIDER_DOWN: 'The identity provider does not answer. A password still works.',
  OFFLINE: 'The appliance does not answer. Is this device on the network?',
};

/** The page that the identity provider's answer ends on when something went wrong. */
export const SIGN_IN_PATH = '/sign-in';

/** Why signing in elsewhere did not work, as the address says it. */
function problemOfAddress(): string {
  if (path.value !== SIGN_IN_PATH) return '';
  const [code, detail] = [query.value.get('problem') ?? '', query.value.get('detail') ?? ''];
  return [WORDS[code], detail].filter(Boolean).join(' ');
}

function SignInForm() {
  const [failed, setFailed] = useState(problemOfAddress());
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    const fields = new FormData(form.current ?? undefined);
    setBusy(true);
    setFailed('');
    try {
      await signIn(String(fields.get('user')).trim(), String(fields.get('password')));
      if (path.value === SIGN_IN_PATH) go('/', { replace: true });
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
      <ProviderLink />
    </form>
  );
}

/** Signing in at the site's own identity provider, where it has one: a visit there, and back to this page. */
function ProviderLink() {
  const [provider, setProvider] = useState<Provider | undefined>(undefined);
  useEffect(() => {
    providerOf().then(setProvider, () => undefined);
  }, []);
  if (!provider) return null;
  const back = path.value === SIGN_IN_PATH ? '/' : place.value;
  return (
    <a class="button" href={`${provider.url}?return=${encodeURIComponent(back)}`}>
      {provider.label}
    </a>
  );
}
