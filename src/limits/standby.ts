/** The limits of two appliances of one site: part of the one table in ../limits.ts. */
export const STANDBY_LIMITS = {
  standbyTickMs: {
    value: 100,
    why: 'how late a right that has ended, or was given, is acted upon',
  },
  standbyAgainMs: { value: 500, why: 'the pause before the other appliance is dialled again' },
  standbyPartAgainMs: {
    value: 5000,
    why: 'the pause before a part that could not be begun is tried again: what was amiss may be over',
  },
  standbyImagesMs: {
    value: 60_000,
    why: 'how often a follower tries again to get files of images that it could not have',
  },
  standbySetAsideMax: {
    value: 3,
    why: 'databases in whose place a copy was put: one may hold what nobody else has, and each is as large as the database',
  },
  standbyNoteMs: { value: 1000, why: 'how often is written down that the two are in touch' },
  standbyDoubtMs: {
    value: 3000,
    why: 'of the last moments in touch nobody knows whether the other one had them on disk',
  },
} as const;
