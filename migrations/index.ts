import { JobsKeysCallbacks1790000000000 } from './1790000000000-jobs-keys-callbacks.js';
import { ClaimsAndPace1790100000000 } from './1790100000000-claims-and-pace.js';
import { Audit1790200000000 } from './1790200000000-audit.js';
import { Alerts1790300000000 } from './1790300000000-alerts.js';
import { AdminSessions1790400000000 } from './1790400000000-admin-sessions.js';
import { InboxAndQueue1790500000000 } from './1790500000000-inbox-and-queue.js';
import { Retention1790600000000 } from './1790600000000-retention.js';
import { ResultsByTime1790610000000 } from './1790610000000-results-by-time.js';
import { ReplacedBootstrapKeys1790720000000 } from './1790720000000-replaced-bootstrap-keys.js';
import { Uploads1790730000000 } from './1790730000000-uploads.js';
import { Deferrals1790740000000 } from './1790740000000-deferrals.js';
import { RequestsAsText1790750000000 } from './1790750000000-requests-as-text.js';
import { AuditAnchor1790800000000 } from './1790800000000-audit-anchor.js';
import { JobSearch1790820000000 } from './1790820000000-job-search.js';
import { FieldTerms1790850000000 } from './1790850000000-field-terms.js';
import { RefusalsByUpstreamId1790860000000 } from './1790860000000-refusals-by-upstream-id.js';
import { RefusalCounts1790865000000 } from './1790865000000-refusal-counts.js';
import { FailedJobsByService1790870000000 } from './1790870000000-failed-jobs-by-service.js';
import { UncertainSince1790880000000 } from './1790880000000-uncertain-since.js';
import { WorkEngine1790890000000 } from './1790890000000-work-engine.js';
import { FairServices1790910000000 } from './1790910000000-fair-services.js';
import { FairIndexes1790911000000 } from './1790911000000-fair-indexes.js';
import { JobInputs1790930000000 } from './1790930000000-job-inputs.js';
import { WakeUps1790940000000 } from './1790940000000-wake-ups.js';
import { JobFiles1790950000000 } from './1790950000000-job-files.js';
import { Events1790960000000 } from './1790960000000-events.js';
import { JobCalls1790970000000 } from './1790970000000-job-calls.js';
import { JobDeletions1790971000000 } from './1790971000000-job-deletions.js';
import { JobWebhooks1790972000000 } from './1790972000000-job-webhooks.js';
import { EventOrder1790980000000 } from './1790980000000-event-order.js';
import { WebhooksByOrigin1790980100000 } from './1790980100000-webhooks-by-origin.js';
import { EventErasures1790980200000 } from './1790980200000-event-erasures.js';
import { WorkerDataKeys1790981000000 } from './1790981000000-worker-data-keys.js';
import { PayloadFormats1790982000000 } from './1790982000000-payload-formats.js';
import { OrphanedUpstreamJobs1790983000000 } from './1790983000000-orphaned-upstream-jobs.js';
import { AuditedDeletions1790983100000 } from './1790983100000-audited-deletions.js';
import { GenericPlans1790984000000 } from './1790984000000-generic-plans.js';
import { DeliveryLanes1790986000000 } from './1790986000000-delivery-lanes.js';
import { LinksOfResults1790987000000 } from './1790987000000-links-of-results.js';
import { OpenWebhooks1790988000000 } from './1790988000000-open-webhooks.js';

/** All migrations, in their order. A new one is added here. */
export const MIGRATIONS = [
  JobsKeysCallbacks1790000000000,
  ClaimsAndPace1790100000000,
  Audit1790200000000,
  Alerts1790300000000,
  AdminSessions1790400000000,
  InboxAndQueue1790500000000,
  Retention1790600000000,
  ResultsByTime1790610000000,
  ReplacedBootstrapKeys1790720000000,
  Uploads1790730000000,
  Deferrals1790740000000,
  RequestsAsText1790750000000,
  AuditAnchor1790800000000,
  JobSearch1790820000000,
  FieldTerms1790850000000,
  RefusalsByUpstreamId1790860000000,
  RefusalCounts1790865000000,
  FailedJobsByService1790870000000,
  UncertainSince1790880000000,
  WorkEngine1790890000000,
  FairServices1790910000000,
  FairIndexes1790911000000,
  JobInputs1790930000000,
  WakeUps1790940000000,
  JobFiles1790950000000,
  Events1790960000000,
  JobCalls1790970000000,
  JobDeletions1790971000000,
  JobWebhooks1790972000000,
  EventOrder1790980000000,
  WebhooksByOrigin1790980100000,
  EventErasures1790980200000,
  WorkerDataKeys1790981000000,
  PayloadFormats1790982000000,
  OrphanedUpstreamJobs1790983000000,
  AuditedDeletions1790983100000,
  GenericPlans1790984000000,
  DeliveryLanes1790986000000,
  LinksOfResults1790987000000,
  OpenWebhooks1790988000000,
];
