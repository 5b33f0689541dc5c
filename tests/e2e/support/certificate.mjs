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
