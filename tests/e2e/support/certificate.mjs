// A certificate of this machine's address that nobody vouches for but itself: {key, cert} as PEM, {file} with the certificate, {both}
// with the key in front of it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { tempDir } from './weir.mjs';

export function certificate(t) {
  const dir = tempDir(t);
  const [key, cert, both] = ['key.pem', 'cert.pem', 'both.pem'].map((name) => join(dir, name));
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=weir', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  fs.writeFileSync(both, fs.readFileSync(key) + fs.readFileSync(cert));
  return { key: fs.readFileSync(key), cert: fs.readFileSync(cert), file: cert, both };
}

function run(args) {
  const made = spawnSync('openssl', args, { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
}

/** An authority of the test's own: {file} with its certificate, and issue(name) for {cert, key}, files of one that it vouches for. */
export function authority(t) {
  const dir = tempDir(t), at = (name) => join(dir, name);
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  run(['req', '-x509', ...newKey, '-days', '2', '-subj', '/CN=authority', '-keyout', at('ca.key'), '-out', at('ca.pem')]);
  return {
    file: at('ca.pem'),
    /** Of this machine's address, unless another is named. */
    issue(name, address = 'IP:127.0.0.1') {
      const [key, request, cert, more] = ['key', 'csr', 'pem', 'ext'].map((ending) => at(`${name}.${ending}`));
      fs.writeFileSync(more, `subjectAltName=${address}\n`);
      run(['req', ...newKey, '-subj', `/CN=${name}`, '-keyout', key, '-out', request]);
      run(['x509', '-req', '-in', request, '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', more,
        '-out', cert]);
      return { cert, key };
    },
  };
}
