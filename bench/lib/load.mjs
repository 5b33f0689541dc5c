// The load generator, `weir bench`, as a function.

import { spawn } from 'node:child_process';

export const WEIR = 'build/weir';

// Starts it; `done` resolves to its report, `stop()` asks it to finish early.
export function startLoad(url, flags) {
  const args = ['bench', '--json', '--to', url];
  for (const [name, value] of Object.entries(flags)) args.push(`--${name}`, String(value));
  const child = spawn(WEIR, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += chunk));
  child.stderr.on('data', (chunk) => (output.stderr += chunk));
  const done = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (output.stdout) resolve({ code, ...JSON.parse(output.stdout) });
      else reject(new Error(`${WEIR} ${args.join(' ')}: ${output.stderr.trim() || `ended with ${code}`}`));
    });
  });
  return { done, stop: () => child.kill('SIGINT') };
}

// Runs it to the end. Anything but 2xx answers is an error: a rate of refusals means nothing.
export async function load(url, flags) {
  const report = await startLoad(url, flags).done;
  if (report.code !== 0) {
    throw new Error(`load on ${url} was not answered well: ${JSON.stringify({ statuses: report.statuses, failures: report.failures })}`);
  }
  return report;
}
