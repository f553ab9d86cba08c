import type { ComponentChildren } from 'preact';

export const SECTIONS = [
  { id: 'overview', label: 'Overview', href: '/admin' },
  { id: 'refusals', label: 'Refusals', href: '/admin/refusals' },
  { id: 'jobs', label: 'Jobs', href: '/admin/jobs' },
  { id: 'events', label: 'Events', href: '/admin/events' },
  { id: 'endpoints', label: 'Endpoints', href: '/admin/endpoints' },
  { id: 'services', label: 'Services', href: '/admin/services' },
  { id: 'keys', label: 'API keys', href: '/admin/keys' },
  { id: 'actions', label: 'Actions', href: '/admin/actions' },
] as const;

export type Section = (typeof SECTIONS)[number]['id'];

/** What a handler of the console returns: the interceptor puts it into the frame and sends it as HTML. */
export class Page {
  constructor(
    readonly title: string,
    readonly section: Section | undefined,
    readonly body: ComponentChildren,
    /** Scripts beside the one that all pages have. */
    readonly scripts: readonly string[] = [],
  ) {}
}

/** An address within the console; parameters without a value are left out. */
export function link(
  path: string,
  parameters: Readonly<Record<string, string | undefined>> = {},
): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') query.set(name, value);
  }
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}
