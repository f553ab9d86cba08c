/** A page of a document as the platform sees it. */
export interface Page {
  number: number;
  blocks: Block[];
}

export type BlockType =
  'Title' | 'Section Header' | 'List Item' | 'Table' | 'Key Value' | 'Page Number' | 'Text';

export interface Block {
  type: BlockType;
  content: string;
  /** Fractions of the page size (INFERRED), origin top left. */
  bbox: { left: number; top: number; width: number; height: number };
}

export function pageText(page: Page): string {
  return page.blocks.map((block) => block.content).join('\n\n');
}

/** A document that cannot be read; `errorName` is the `error.name` in the API. */
export class DocumentError extends Error {
  constructor(
    readonly errorName: string,
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}
