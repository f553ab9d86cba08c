/** The drop-in surface for Reducto’s official SDKs is below it. */
export const SDK_PATH = '/reducto/';

/** The only route of the surface without an API key, as in Reducto’s API. */
export const VERSION_PATH = '/reducto/version';
