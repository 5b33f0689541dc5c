// A client of Redis that sends many commands at once and loses no count of the answers: whoever feeds a server that is killed has to know
// what was taken.
import net from 'node:net';
import { sleep } from './weir.mjs';

/** A command as Redis reads it; words are texts, numbers or bytes. */
export function command(...words) {
  const parts = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = Buffer.isBuffer(word) ? word : Buffer.from(String(word));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

/** Counts the answers in what has come so far: {count, error}. They are numbers, states, errors or short texts. */
function countAnswers(text) {
  let count = 0, at = 0, error = null;
  for (;;) {
    let end = text.indexOf('\r\n', at);
    if (end >= 0 && text[at] === '$') end = text.indexOf('\r\n', end + 2);
    if (end < 0) return { count, error };
    if (text[at] === '-') error ??= text.slice(at, end);
    count++;
    at = end + 2;
  }
}

/** Sends all of them, and resolves when all have been answered; fails when one was refused, or the connection ends before. */
function sendOnce(socket, commands) {
  return new Promise((done, fail) => {
    const connection = net.connect(socket);
    let text = '';
    connection.setEncoding('latin1').on('data', (part) => {
      text += part;
      const { count, error } = countAnswers(text);
      if (error) {
        connection.destroy(new Error(error));
      } else if (count === commands.length) {
        connection.end();
        done();
      }
    });
    connection.on('error', fail);
    connection.on('close', () => fail(new Error('the connection has ended')));
    connection.write(Buffer.concat(commands));
  });
}

/** Again and again until all of them have been answered, so that some may arrive twice. */
export async function sendAll(redis, commands) {
  for (const end = Date.now() + 60_000; ;) {
    try {
      return await sendOnce(redis.socket, commands);
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(20); // it was killed, or is loading
    }
  }
}
