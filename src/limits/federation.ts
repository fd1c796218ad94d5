/** The limits of federation, on an appliance and at central: part of the one table in ../limits.ts. */
export const FEDERATION_LIMITS = {
  federationBatchEventsMax: { value: 500, why: 'one transaction at central of a few milliseconds' },
  federationBatchesAheadMax: { value: 4, why: 'fills a line of 100 ms at 20,000 events a second' },
  federationPageMachinesMax: { value: 200, why: 'about 300 KB of records in one message' },
  federationRequestsMax: {
    value: 20,
    why: 'requests on one page of a snapshot, with up to 5000 places each: below the largest message',
  },
  federationJobsMax: { value: 200, why: 'jobs on one page: about 150 KB in one message' },
  federationJobParamsCharsMax: {
    value: 8192,
    why: 'a batch of 500 jobs with the largest parameters stays below the largest message; of larger ones the names are told',
  },
  federationEndedJobsMax: {
    value: 1000,
    why: 'jobs that have ended, in a snapshot: the newest fill some pages; those of later come one by one',
  },
  federationToldMax: {
    value: 100_000,
    why: 'versions that central has had on this connection; beyond, a record is told again',
  },
  federationUnsentBytesMax: {
    value: 4_194_304,
    why: 'a slow line holds back the feed, not memory',
  },
  federationMessageBytesMax: { value: 16_777_216, why: 'a page of the largest records there are' },
  federationPingMs: { value: 15_000, why: 'a line that says nothing for three of these is dead' },
  federationAgainMs: { value: 1000, why: 'the first pause before central is dialled again' },
  federationAgainMsMax: { value: 60_000, why: 'central comes back to a fleet that dials in turns' },
  federationIntentsMax: { value: 100, why: 'intents sent and not yet answered, for each site' },
  federationPollMs: { value: 500, why: 'how late an intent is seen that another instance took in' },
  joinCodeMs: { value: 86_400_000, why: 'a code is typed in on the day that it was made' },
  joinTriesPerMinuteMax: {
    value: 30,
    why: 'wrong codes are counted for all: 128 bits are not guessed',
  },
  applianceCertificateMs: {
    value: 400 * 86_400_000,
    why: 'a site that was cut off for a year comes back by itself; revoking needs no end of it',
  },
  applianceRenewMs: {
    value: 30 * 86_400_000,
    why: 'a new key each month, with which the old one ends: so does a copy of it',
  },
  federationRenewalLookMs: { value: 60_000, why: 'also a line that lasts for months renews' },
  serverRenewMs: { value: 86_400_000, why: 'an instance of central may run for years' },
  authorityCertificateMs: { value: 3650 * 86_400_000, why: 'the root that all appliances pin' },
  federationErrandMs: {
    value: 1000,
    why: 'how often is looked whether an image of the fleet has come: a read of few rows',
  },
  fleetImageAgainMs: { value: 60_000, why: 'a file that failed is fetched again, not in a loop' },
  fleetChannelWaitMs: {
    value: 60_000,
    why: 'a channel may be told of before its image, a pool before both',
  },
  fleetImageStreamsMax: { value: 8, why: 'files sent at once by one instance; others come again' },
  federationIntentKeptMs: {
    value: 400 * 86_400_000,
    why: 'an answer that was lost is given again after a year of absence',
  },
  federationForgetMs: { value: 3_600_000, why: 'old intents are few: once an hour is enough' },
  fleetKeepingMs: { value: 600_000, why: 'how often central looks for what is too old to keep' },
  fleetKeepingRowsMax: { value: 5000, why: 'events deleted in one transaction of some ms' },
  fleetStatementRowsMax: {
    value: 100,
    why: 'values of a statement stay below what both engines take',
  },
  fleetWaitingCharsMax: {
    value: 262_144,
    why: 'of one line, while the message before is worked on: some small batches, which are then one; beyond, it is not read',
  },
  fleetBatchSmallMax: {
    value: 50,
    why: 'events of a batch that goes with those of other sites: beyond, what a transaction costs is small beside it',
  },
  fleetBatchGroupsMax: {
    value: 1,
    why: 'transactions of small batches at once: what comes meanwhile gathers for the next one',
  },
  fleetSearchGlanceMax: {
    value: 500,
    why: 'machines that a search looks at for what many have, before it asks the index: 2 ms',
  },
  fleetSearchFewMax: {
    value: 6000,
    why: 'machines that the index may name for one search: some ms; of what more have, the glance has a page full',
  },
  fleetSearchWalkMax: {
    value: 8000,
    why: 'machines that are looked at for one page of what no index knows: less than 50 ms',
  },
  fleetRequestMachinesMax: { value: 20_000, why: 'machines of one request over all sites' },
  fleetRecordsMax: {
    value: 2000,
    why: 'of one kind: squads, users, images; each is told to each site, with the next hello at the latest',
  },
  fleetPageMax: { value: 1000, why: 'machines on one page of the fleet' },
  fleetAnswerMs: { value: 3000, why: 'a person waits for a site that is heard of, and no longer' },
  fleetAnswerLookMs: {
    value: 50,
    why: 'one read of a few rows; most sites answer within the first',
  },
  fleetPartKeptMs: {
    value: 86_400_000,
    why: 'a part of a file that nobody has added to for a day is of an upload that has ended',
  },
  fleetNoticeAgainMs: {
    value: 3_600_000,
    why: 'an appliance that is shut out dials each minute for as long as it runs: what else is noticed stays in sight',
  },
  fleetRequestsLookMax: {
    value: 5000,
    why: 'of the requests that may have a status: each asks for its parts, all of these take a second',
  },
  fleetReadyMs: {
    value: 2000,
    why: 'a database that is later than this makes its instance one to pass over for a load balancer',
  },
  fleetConnectMs: {
    value: 10_000,
    why: 'a database that is there takes a connection within some ms, and one of ten is free within a second: beyond, who asks hears that it is silent',
  },
  fleetLargeAtOnceMax: {
    value: 8,
    why: 'pages of whole copies and batches of sites that catch up, of the ten connections of an instance: the others are for people and for small batches',
  },
  fleetStatementMs: {
    value: 30_000,
    why: 'what people and sites ask takes ms, the largest list a second: beyond, it holds a connection for nothing',
  },
  fleetStatementGraceMs: {
    value: 5000,
    why: 'the database says by itself that a statement was ended, which leaves the connection usable: only a silent one is left alone',
  },
  fleetLockMs: {
    value: 20_000,
    why: 'who holds a row of a site for longer is an instance that hangs; less than a statement, so that the reason is named',
  },
  fleetIdleTransactionMs: {
    value: 30_000,
    why: 'between two statements there are some ms of work: an instance that is cut off holds up the others no longer than this',
  },
  fleetGroupStatementMs: {
    value: 10_000,
    why: 'small batches take some ms, and the batches of all other sites wait behind them',
  },
  fleetLongStatementMs: {
    value: 600_000,
    why: 'indexes, steps of the schema and the end of a snapshot are of all machines: they go on for minutes on a slow disk, and nobody else waits',
  },
  fleetCloseMs: {
    value: 10_000,
    why: 'what runs when central is stopped takes ms; what is silent or long is undone: twice this is less than the 30 s that its service has to stop',
  },
  fleetTriesMax: {
    value: 5,
    why: 'two transactions that were in the way of each other are not so again and again',
  },
  fleetTryAgainMs: { value: 50, why: 'the other one has ended by then: most take some ms' },
  fleetRemoveRowsMax: {
    value: 1000,
    why: 'of a site that is removed, in one transaction: some 100 ms, beside which batches of others are kept',
  },
  fleetLeftCountMax: {
    value: 100_000,
    why: 'machines of a site that are counted to say how many are left: twice what the largest has, within 30 ms',
  },
  fleetRemoveTurnMs: { value: 1000, why: 'whoever removes a site sees each second how far it is' },
  fleetSayAgainMs: {
    value: 60_000,
    why: 'a database that answers some and not others is told of once a minute, not with each statement',
  },
  clockSkewMs: { value: 5000, why: 'a difference that a person should hear about' },
} as const;
