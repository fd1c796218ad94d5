/** The limits of signing in at an identity provider: part of the one table in ../limits.ts. */
export const SIGN_IN_LIMITS = {
  signInMs: { value: 600_000, why: 'a person finds a password and a second factor within minutes' },
  signInsOpenMax: { value: 1000, why: 'begun and never finished; the oldest is forgotten' },
  signInProviderMs: { value: 10_000, why: 'a browser is waiting for the provider to answer us' },
  signInMetadataMs: { value: 3_600_000, why: 'endpoints and keys change rarely, and with notice' },
} as const;
