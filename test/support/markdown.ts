/** The cells of all tables of `markdown` whose first column is `heading`. */
export function tablesUnder(markdown: string, heading: string): string[][] {
  const lines = markdown.split('\n');
  return lines.flatMap((line, at) => {
    if (!line.startsWith(`| ${heading} `)) return [];
    const body = lines.slice(at + 2);
    const end = body.findIndex((row) => !row.startsWith('|'));
    return body.slice(0, end === -1 ? undefined : end).map(cellsOf);
  });
}

function cellsOf(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}
