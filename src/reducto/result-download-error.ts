/** Why a result or one of its files could not be downloaded. The message never contains the URL, whose query is a credential. */
export class ResultDownloadError extends Error {
  /** Whether another attempt would fail, too. */
  readonly isFinal: boolean;

  /** The answer of the host, if it was not a success. */
  readonly status: number | undefined;

  constructor(
    message: string,
    options: ErrorOptions & { readonly isFinal?: boolean; readonly status?: number } = {},
  ) {
    super(message, options);
    this.name = 'ResultDownloadError';
    this.isFinal = options.isFinal === true;
    this.status = options.status;
  }
}
