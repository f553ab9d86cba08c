import type { JSX } from 'preact';
import type { Job } from '../../jobs/job.entity.js';
import type { Session } from '../session/sessions.service.js';
import { Code, CsrfField, Facts, Untrusted, Moment } from '../components/widgets.js';

export function CancelJob({ session, job }: { session: Session; job: Job }): JSX.Element {
  return (
    <section class="sheet">
      <h1>Cancel this job?</h1>
      <Facts
        facts={[
          ['Job', <Code text={job.id} />],
          ['Service', <Untrusted text={job.service} />],
          ['Type', job.type],
          ['Accepted', <Moment at={job.createdAt} />],
        ]}
      />
      <p>
        Its service gets no result. A job that Reducto already has may still complete. The audit
        records that you did this.
      </p>
      <div class="actions">
        <form method="post" action={`/admin/jobs/${job.id}/cancel`}>
          <CsrfField session={session} />
          <button type="submit" class="danger">
            Cancel the job
          </button>
        </form>
        <a href={`/admin/jobs/${job.id}`}>Keep it</a>
      </div>
    </section>
  );
}
