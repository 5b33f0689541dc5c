// Prints COUNT records, one JSON object a line: the same ones for the same SEED.
//
//     node make_records.mjs COUNT SEED
import { random, randomRecords } from '../e2e/support/model.mjs';

const [count, seed] = process.argv.slice(2).map(Number);
const records = randomRecords(random(seed), count);
process.stdout.write(records.map((r) => JSON.stringify(r) + '\n').join(''));
