// The results file: one section a scenario, each a table of what was measured against what was wanted.

export class Report {
  constructor() {
    this.lines = [];
  }

  heading(text) {
    this.lines.push('', `## ${text}`, '');
    console.log(`\n${text}`);
  }

  note(text) {
    this.lines.push(text, '');
    console.log(`  ${text}`);
  }

  // `rows` are arrays of cells, the first of them the header.
  table(rows) {
    const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column] ?? '').length)));
    const line = (row) => `| ${widths.map((width, column) => String(row[column] ?? '').padEnd(width)).join(' | ')} |`;
    const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
    const lines = [line(rows[0]), rule, ...rows.slice(1).map(line)];
    this.lines.push(...lines, '');
    for (const text of lines) console.log(`  ${text}`);
  }

  // [what, measured, wanted, whether it was reached or null when there is no target]
  measures(rows) {
    const verdict = { true: 'yes', false: '**no**', null: '' };
    this.table([['what', 'measured', 'target', 'reached'], ...rows.map(([what, measured, target = '', reached = null]) => [what, measured, target, verdict[reached]])]);
  }

  text(title, head) {
    return [`# ${title}`, '', ...head, ...this.lines].join('\n').replace(/\n{3,}/g, '\n\n').trimEnd() + '\n';
  }
}
