import { StoredFile } from './upload-store.js';

/** A page of a document as the platform sees it. */
export interface Page {
  number: number;
  blocks: Block[];
}

export interface Block {
  type: 'Title' | 'Text' | 'Figure' | 'Table';
  content: string;
  bbox: Box;
}

/** Fractions of the page size, origin top left. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** The input of a job, as read. */
export interface ReadDocument {
  pages: readonly Page[];
  file: StoredFile | undefined;
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
