/**
 * pxeimage with one change, for the install bench: work for a machine that is to be called `by-hand` is what a person would type
 * there, `curl | zstd -d | dd`, and its time is told to a hundredth of a second. All other work is the agent's own, as it is in
 * this tree, whatever the image was built with.
 *
 * The change is a second archive behind the first one: the kernel unpacks both, and the later file wins (Linux,
 * Documentation/driver-api/early-userspace/buffer-format.rst).
 */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');

/** What its order calls the machine. */
export const BY_HAND = 'by-hand';

const SCRIPT = `
perform() {
  case $(answer hostname "$AT/order") in
    ${BY_HAND}) by_hand ;;
    *) by_the_agent ;;
  esac
}

by_hand() {
  step look 0
  disks_json >"$AT/seen.json"
  curl -s -f -m 60 -o "$AT/plan" -H 'Content-Type: application/json' --data-binary "@$AT/seen.json" \\
    "$APPLIANCE/agent/$WORK/plan" || fail AGENT_FAILED "no plan"
  IFS=$TAB read -r _ device sum _ <<END
$(grep "^raw$TAB" "$AT/plan")
END
  step copy 2
  began=$(cut -d ' ' -f 1 /proc/uptime)
  curl -s -f "$APPLIANCE/images/$WORK/$sum" | "$ZSTD" -d -q -c | dd of="$device" bs=1M iflag=fullblock conv=fsync ||
    fail DISK_FAILED "it was not written"
  ended=$(cut -d ' ' -f 1 /proc/uptime)
  measured by-hand-centiseconds "$(awk -v from="$began" -v to="$ended" 'BEGIN { printf "%d", (to - from) * 100 }')"
}
`;

/** @returns the folder, for `boot.pxeimage` */
export function makePxeimageByHand(dir: string): string {
  const from = join(ROOT, 'build/pxeimage/lab');
  const to = join(dir, 'pxeimage');
  const overlay = join(dir, 'overlay');
  mkdirSync(to, { recursive: true });
  const files = readdirSync(join(ROOT, 'pxeimage/agent'));
  cpSync(join(ROOT, 'pxeimage/agent'), join(overlay, 'agent'), { recursive: true });
  const agent = readFileSync(join(overlay, 'agent/install.sh'), 'utf8');
  const renamed = agent.replace(/^perform\(\) \{$/m, 'by_the_agent() {');
  if (renamed === agent) throw new Error('the agent has no perform() to stand in front of');
  writeFileSync(join(overlay, 'agent/install.sh'), renamed + SCRIPT, { mode: 0o755 });
  for (const name of ['vmlinuz', 'initrd.img']) copyFileSync(join(from, name), join(to, name));
  const archive = execFileSync('cpio', ['-o', '-H', 'newc', '--quiet', '-R', '0:0'], {
    cwd: overlay,
    input: ['agent', ...files.map((file) => `agent/${file}`), ''].join('\n'),
  });
  // An archive begins at a multiple of four bytes.
  const size = readFileSync(join(to, 'initrd.img')).length;
  appendFileSync(join(to, 'initrd.img'), Buffer.alloc((4 - (size % 4)) % 4));
  appendFileSync(join(to, 'initrd.img'), archive);
  return to;
}
