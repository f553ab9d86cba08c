/** A URL or an address that the gateway does not send events to. The message says which rule forbids it. */
export class AddressRefusedError extends Error {
  readonly code = 'ERR_ADDRESS_REFUSED';

  constructor(message: string) {
    super(message);
    this.name = 'AddressRefusedError';
  }
}

const MAX_URL = 2048;
/** Of a host name in the DNS (RFC 1035). */
const MAX_HOST = 253;
const MAX_LABEL = 63;

/** The URL parser removes or replaces these, so that it and a person may read different hosts. */
// oxlint-disable-next-line no-control-regex -- these characters are refused
const AMBIGUOUS = /[\u0000-\u0020\u007f-\u00a0\u2028\u2029\\]/;

/** What a connection goes to. */
export interface Target {
  readonly protocol: string;
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Names of metadata services, which hold secrets of virtual machines. Most of them resolve only there. */
const METADATA_HOSTS = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.azure.internal',
  'metadata.azure.com',
  'metadata.tencentyun.com',
  'metadata.packet.net',
  'metadata.platformequinix.com',
  'api.metadata.cloud.ibm.com',
  'rancher-metadata',
  'instance-data',
  'instance-data.ec2.internal',
]);

/** Parses the URL of an endpoint. Throws `AddressRefusedError`; checks no address. */
export function parseEndpointUrl(text: string): URL {
  if (text.length > MAX_URL) throw refuse(`the URL has more than ${MAX_URL} characters`);
  if (AMBIGUOUS.test(text)) {
    throw refuse('the URL contains a space, a control character, or a backslash');
  }
  if (!URL.canParse(text)) throw refuse('the URL is not valid');
  const url = new URL(text);
  // Percent-encoding makes it longer.
  if (url.href.length > MAX_URL)
    throw refuse(`the encoded URL has more than ${MAX_URL} characters`);
  if (!/^https?:$/.test(url.protocol)) throw refuse('the URL is neither https nor http');
  if (url.username !== '' || url.password !== '') {
    throw refuse('the URL contains a user name or password; use a header of the endpoint instead');
  }
  checkHostName(url.hostname);
  if (url.port === '0') throw refuse('port 0 is not a port to connect to');
  return url;
}

export function targetOf({ protocol, hostname, port }: URL): Target {
  const standard = protocol === 'http:' ? 80 : 443;
  return {
    protocol,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? standard : Number(port),
  };
}

function checkHostName(host: string): void {
  if (host === '') throw refuse('the URL has no host');
  if (host.startsWith('[')) return;
  const labels = host.split('.');
  if (labels.some((label) => label === '')) {
    throw refuse('the host has an empty label, or a dot at its end');
  }
  if (host.length > MAX_HOST || labels.some((label) => label.length > MAX_LABEL)) {
    throw refuse('the host is longer than a host name can be');
  }
  if (METADATA_HOSTS.has(host)) throw refuse(`${host} is a metadata service of a cloud`);
}

function refuse(message: string): AddressRefusedError {
  return new AddressRefusedError(message);
}
