import type { Block, BlockType } from './document.js';

/*
 * Type-only imports and erasable syntax only: in development and in tests, the PDF worker loads this
 * file as TypeScript (see pdf.worker.ts).
 */

/** A run of text with one font, in PDF coordinates: origin bottom left, y at the baseline. */
export interface TextRun {
  text: string;
  x: number;
  y: number;
  width: number;
  size: number;
}

interface Line {
  text: string;
  left: number;
  right: number;
  y: number;
  size: number;
  cells: number;
}

interface PageSize {
  width: number;
  height: number;
}

/** A gap wider than this many font sizes separates table cells. */
const CELL_GAP = 1.5;
/** Lines closer than this many font sizes belong to one block; table rows are spaced wider. */
const LINE_GAP = 1.75;
const ROW_GAP = 2.5;
const HEADING_RATIO = 1.15;
const TITLE_RATIO = 1.6;

/** Groups runs, in content order, into lines and lines into typed blocks. */
export function layOut(runs: readonly TextRun[], page: PageSize): Block[] {
  const lines = linesOf(runs);
  const bodySize = median(lines.map((line) => line.size));
  const typed = lines.map((line) => ({ line, type: typeOf(line, bodySize) }));
  const blocks: { type: BlockType; lines: Line[] }[] = [];
  for (const { line, type } of typed) {
    const block = blocks.at(-1);
    const above = block?.lines.at(-1);
    const gap = (type === 'Table' ? ROW_GAP : LINE_GAP) * line.size;
    const near = above !== undefined && Math.abs(above.y - line.y) < gap;
    if (block && near && block.type === type && type !== 'List Item') block.lines.push(line);
    else blocks.push({ type, lines: [line] });
  }
  return blocks.map(({ type, lines }) => toBlock(type, lines, page));
}

function linesOf(runs: readonly TextRun[]): Line[] {
  const lines: Line[] = [];
  for (const run of runs.filter(({ text }) => text.trim() !== '')) {
    const line = lines.at(-1);
    const sameLine = line && Math.abs(line.y - run.y) < run.size / 2 && run.x >= line.right - 1;
    if (!sameLine) {
      lines.push({
        text: run.text.trim(),
        left: run.x,
        right: run.x + run.width,
        y: run.y,
        size: run.size,
        cells: 1,
      });
      continue;
    }
    const gap = run.x - line.right;
    const newCell = gap > CELL_GAP * run.size && !line.text.endsWith(':');
    const joint = newCell ? ' | ' : gap > run.size / 10 || run.text.startsWith(' ') ? ' ' : '';
    line.text = `${line.text}${joint}${run.text.trim()}`;
    line.right = run.x + run.width;
    line.cells += newCell ? 1 : 0;
  }
  return lines;
}

function typeOf(line: Line, bodySize: number): BlockType {
  if (line.cells > 1) return 'Table';
  if (/^page \d+ of \d+$/iu.test(line.text)) return 'Page Number';
  if (line.size > bodySize * TITLE_RATIO) return 'Title';
  if (line.size > bodySize * HEADING_RATIO) return 'Section Header';
  if (/^[\p{L}][\p{L}\p{N} ./()&'-]{0,60}:\s+\S/u.test(line.text)) return 'Key Value';
  if (/^(?:[-•*]|\(?[a-z0-9]{1,2}[.)])\s/iu.test(line.text)) return 'List Item';
  return 'Text';
}

function toBlock(type: BlockType, lines: readonly Line[], page: PageSize): Block {
  const left = Math.min(...lines.map((line) => line.left));
  const right = Math.max(...lines.map((line) => line.right));
  const top = Math.max(...lines.map((line) => line.y + line.size));
  const bottom = Math.min(...lines.map((line) => line.y));
  return {
    type,
    content: lines.map((line) => line.text).join('\n'),
    bbox: {
      left: fraction(left / page.width),
      top: fraction((page.height - top) / page.height),
      width: fraction((right - left) / page.width),
      height: fraction((top - bottom) / page.height),
    },
  };
}

function fraction(value: number): number {
  return Math.round(Math.min(1, Math.max(0, value)) * 10_000) / 10_000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
