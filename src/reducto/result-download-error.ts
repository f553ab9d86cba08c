/** Why a result could not be downloaded. The message never contains the URL, whose query is a credential. */
export class ResultDownloadError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ResultDownloadError';
  }
}
