import type { JSX } from 'preact';
import { link } from './page.js';
import { Code, None } from './widgets.js';

export function JobLink({ id }: { id: string | null | undefined }): JSX.Element {
  if (id === null || id === undefined) return <None />;
  return (
    <a href={`/admin/jobs/${encodeURIComponent(id)}`}>
      <Code text={id} />
    </a>
  );
}

export function AddressLink({ address }: { address: string | undefined }): JSX.Element {
  if (address === undefined || address === '') return <None />;
  return (
    <a href={link('/admin/refusals', { address })}>
      <Code text={address} />
    </a>
  );
}
