/**
 * The site's CA as an initrd of a kilobyte: a cpio archive (form "newc") that the kernel unpacks over pxeimage's own, so
 * that one pxeimage serves every site. It is fetched over the connection that iPXE has verified with the same CA.
 *
 * Format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst. A folder must come before what is in it.
 */

/** Where Debian's curl and OpenSSL look for the CAs they trust. */
const CA_PATH = 'etc/ssl/certs/ca-certificates.crt';

const FOLDER = 0o040755;
const FILE = 0o100644;

/** @param pem the CA's certificate, or several */
export function caImage(pem: Uint8Array): Buffer {
  const folders = CA_PATH.split('/')
    .slice(0, -1)
    .map((_, depth, names) => names.slice(0, depth + 1).join('/'));
  return Buffer.concat([
    ...folders.map((name) => cpioEntry(name, FOLDER, new Uint8Array())),
    cpioEntry(CA_PATH, FILE, pem),
    cpioEntry('TRAILER!!!', 0, new Uint8Array()),
  ]);
}

/** Header of 110 characters, name with its NUL, content; name and content are padded to a multiple of four bytes. */
function cpioEntry(name: string, mode: number, content: Uint8Array): Buffer {
  const links = 1;
  const fields = [
    ...[0, mode, 0, 0, links, 0, content.length],
    ...[0, 0, 0, 0, Buffer.byteLength(name) + 1, 0],
  ].map((value) => value.toString(16).padStart(8, '0'));
  const head = padded(Buffer.from(`070701${fields.join('')}${name}\0`));
  return Buffer.concat([head, padded(content)]);
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
