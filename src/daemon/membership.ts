/** What joining a fleet leaves on disk, beside the key and the certificate. */
export interface Membership {
  readonly url: string;
  readonly site: string;
  readonly authority: string;
}

/** Key and certificate are one file: they change together or not at all. */
export const FLEET_FILES = { membership: 'membership.json', identity: 'appliance.pem' } as const;
