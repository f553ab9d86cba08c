import { readFile } from 'node:fs/promises';
import { extractText, getDocumentProxy } from 'unpdf';
import { DocumentError } from './document.js';

/** The text of each page of a PDF. Names and codes of the errors: fact sheet, section 5. */
export async function readPdfText(path: string): Promise<string[]> {
  try {
    const document = await getDocumentProxy(new Uint8Array(await readFile(path)), { verbosity: 0 });
    return (await extractText(document, { mergePages: false })).text;
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    throw name === 'PasswordException'
      ? new DocumentError('DOCUMENT_PASSWORD_PROTECTED', 442, 'The document needs a password')
      : new DocumentError('DOCUMENT_CORRUPT', 415, `The PDF could not be read: ${message}`);
  }
}
