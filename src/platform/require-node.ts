/**
 * The first import of every entry point. better-sqlite3 13 crashes (SIGSEGV) on Node 20 instead of saying so, and type
 * stripping needs 22.18: say it before anything else is loaded.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `reveille: Node ${process.versions.node} is too old, 22.18 or newer is needed. Run 'npm ci': it brings a pinned one, used by npm scripts and bin/reveille.\n`,
  );
  process.exit(69);
}
