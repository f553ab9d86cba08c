import { ApiProperty } from '@nestjs/swagger';
import { IsOptional, Matches } from 'class-validator';
import { IsWholeNumber } from '../../platform/http/whole-number.js';
import type { JobFile } from './job-file.entity.js';
import type { MissingFile } from './missing-file.js';

/** A file that the result of a job links to. */
export class JobFileDto {
  /** @example 'image-0001.png' */
  name!: string;

  /** @example 'image/png' */
  contentType!: string;

  bytes!: number;

  /** Hex hash of the bytes. */
  sha256!: string;

  /**
   * Where the file is: the link in the result, or with `signedSeconds` one that needs no API key for a while.
   * @example 'https://gateway.example.com/v1/jobs/01a20824-4a5b-7c31-9f0e-6d2b8c1e7a90/files/image-0001.png'
   */
  @ApiProperty({ format: 'uri' })
  url!: string;
}

export class JobFileListDto {
  files!: JobFileDto[];
}

/** A file that the result links to and that could not be fetched. The link stays in the result. */
export class MissingFileDto implements MissingFile {
  /**
   * As the file would be named, without an extension.
   * @example 'image-0003'
   */
  name!: string;

  /**
   * For people.
   * @example 'the host of the result answered 404'
   */
  reason!: string;
}

export class ListFilesQuery {
  /** Asks for links that need no API key; their lifetime in seconds, at most `FILE_LINK_MAX_SECONDS`. */
  @IsOptional()
  @IsWholeNumber(1, 2_592_000)
  signedSeconds?: number;
}

export class SignedLinkQuery {
  /** When the link expires, in Unix seconds. */
  @Matches(/^\d{1,12}$/, { message: 'must be Unix seconds' })
  expires!: string;

  @Matches(/^v\d{1,9}\.[\w-]{43}$/, { message: 'must be that of the link' })
  signature!: string;
}

export function toJobFileListDto(
  files: readonly JobFile[],
  urlOf: (file: JobFile) => string,
): JobFileListDto {
  return {
    files: files.map((file) => ({
      name: file.name,
      contentType: file.contentType,
      bytes: Number(file.sizeBytes),
      sha256: file.sha256,
      url: urlOf(file),
    })),
  };
}
