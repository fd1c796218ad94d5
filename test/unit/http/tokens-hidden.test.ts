/** Every path that has a token is one in which logs, captures and consoles look for it. */
import { expect, it } from 'vitest';
import { hideTokens } from '../../../src/capture/hide-tokens.ts';
import { consoleText } from '../../../src/inventory/consoles.ts';
import { maskTokens } from '../../../src/platform/log.ts';
import { createWorkWorld } from '../../support/work-world.ts';

const TOKEN = 'C9NH9JCswavUC6rLpy5bDtwECTse3HPn';
const SECRET = TOKEN.slice(4);

it('has its token hidden, whatever the route of a machine', async () => {
  const { app } = createWorkWorld({ images: {} as never });
  await app.ready();
  const routes = app.printRoutes({ commonPrefix: false });
  const paths = [...routes.matchAll(/(\/[^\s(]*:token[^\s(]*)/g)].map(([path]) => path);
  expect(paths).toContain('/boot/:token/script.ipxe');
  expect(paths).toContain('/installer/:token/template');
  expect(paths).toContain('/images/:token/:sha256');
  for (const path of paths) {
    const url = `http://10.77.0.1:8080${path.replace(':token', TOKEN)}`;
    for (const text of [url, `${url} `, `'${url}'`]) {
      expect(maskTokens(text)).not.toContain(SECRET);
      expect(hideTokens(text)).not.toContain(SECRET);
      expect(consoleText([{ atByte: 0, bytes: Buffer.from(text) }])).not.toContain(SECRET);
    }
  }
});

it.each([
  `/boot/${TOKEN}/script.ipxe`,
  `boot/${TOKEN}/ipxe.efi`,
  `not found: boot/${TOKEN}/ipxe.efi`,
  `"boot//${TOKEN}"`,
  `boot\\${TOKEN}\\ipxe.efi`,
  `vmlinuz reveille.token=${TOKEN} reveille.mode=wait`,
  `'reveille.token=${TOKEN}'`,
  `reveille.token="${TOKEN}"`,
  JSON.stringify({ line: `reveille.token="${TOKEN}"` }),
  JSON.stringify({ text: JSON.stringify({ line: `reveille.token="${TOKEN}"` }) }),
  `/x?line=reveille.token%3D%22${TOKEN}%22`,
  `/x?next=http%3A%2F%2Fa%2Fboot%2F${TOKEN}%2fscript&reveille.token%3D${TOKEN}`,
  `{"url":"http:\\/\\/10.77.0.1\\/boot\\/${TOKEN}\\/script.ipxe"}`,
])('has its token hidden in logs, in what is said of captures and in consoles: %s', (text) => {
  expect(maskTokens(text)).not.toContain(SECRET);
  expect(maskTokens(text)).toContain(`${TOKEN.slice(0, 4)}****`);
  expect(hideTokens(text)).not.toContain(SECRET);
  expect(hideTokens(text)).toContain('…');
  for (const printed of [
    text,
    `[ 1.0] x\r\n${text.replaceAll(TOKEN, `${TOKEN.slice(0, 9)}\r\n${SECRET.slice(5)}`)}\r\n`,
  ]) {
    const read = consoleText([{ atByte: 0, bytes: Buffer.from(printed) }]);
    expect(read).toContain('…');
    expect(read).not.toContain(SECRET.slice(5, 13));
  }
  expect(hideTokens(text.replaceAll(TOKEN, 'ipxe.efi'))).toBe(text.replaceAll(TOKEN, 'ipxe.efi'));
});

it('leaves alone what is no token', () => {
  for (const text of [`/reboot/${TOKEN}`, `/boot/${TOKEN}x/y`, `/boots/${TOKEN}`, `/${TOKEN}/`]) {
    expect(maskTokens(text)).toBe(text);
    expect(hideTokens(text)).toBe(text);
  }
});
