/**
 * Types of files that are served under their own name: none of them runs scripts in a browser. The first extension
 * names the files.
 */
const TYPES: readonly (readonly [contentType: string, ...extensions: string[]])[] = [
  ['application/pdf', 'pdf'],
  ['image/png', 'png'],
  ['image/jpeg', 'jpg', 'jpeg'],
  ['image/webp', 'webp'],
  ['image/gif', 'gif'],
  ['image/tiff', 'tiff', 'tif'],
  ['image/bmp', 'bmp'],
  ['application/json', 'json'],
  ['text/csv', 'csv'],
  ['text/plain', 'txt'],
  ['application/zip', 'zip'],
  ['application/msword', 'doc'],
  ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx'],
  ['application/vnd.ms-excel', 'xls'],
  ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xlsx'],
  ['application/vnd.ms-powerpoint', 'ppt'],
  ['application/vnd.openxmlformats-officedocument.presentationml.presentation', 'pptx'],
];

export interface FileType {
  readonly contentType: string;
  readonly extension: string;
}

const ANY: FileType = { contentType: 'application/octet-stream', extension: 'bin' };
const BY_TYPE = new Map<string, FileType>();
const BY_EXTENSION = new Map<string, FileType>();
for (const [contentType, ...extensions] of TYPES) {
  const type = { contentType, extension: extensions[0] ?? ANY.extension };
  BY_TYPE.set(contentType, type);
  for (const extension of extensions) BY_EXTENSION.set(extension, type);
}

/** All content types of files. */
export const FILE_TYPES = [...BY_TYPE.keys(), ANY.contentType];

/** The type that the host of a file declares, else that of the path of its URL, else any bytes. */
export function fileTypeOf(declared: string | undefined, url: string): FileType {
  const type = declared?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const extension = /\.([a-z0-9]{1,5})$/i.exec(new URL(url).pathname)?.[1]?.toLowerCase() ?? '';
  const isDeclared =
    type !== '' && !/^(?:application|binary)\/(?:octet-stream|x-download)$/.test(type);
  return BY_TYPE.get(type) ?? (isDeclared ? undefined : BY_EXTENSION.get(extension)) ?? ANY;
}
