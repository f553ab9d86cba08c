import { isIP } from 'node:net';
import { isPublicAddress } from '../ip-address.js';

/** Whether the internet does not route to this address, such as a private, loopback, or link-local one. */
export function isPrivateAddress(address: string): boolean {
  return isIP(address) !== 0 && !isPublicAddress(address);
}

/**
 * Whether a host can only be in the local network: a private or loopback address, or a name that public DNS does not resolve
 * (single label, `.local`, `.internal`, `.localhost`).
 */
export function isPrivateHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) return isPrivateAddress(host);
  return !host.includes('.') || /\.(local|internal|localhost|lan|home\.arpa)$/i.test(host);
}
