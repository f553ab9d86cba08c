import type { JSX } from 'preact';
import { GUARDS, REFUSAL_CAUSES } from '../../audit/refusal.js';
import { causeName, GUARD_NAMES } from '../text/refusal-help.js';
import type { FilterValues } from '../refusal-filter.js';
import { formMoment } from './format.js';

export function FilterForm({
  values,
  isFiltered,
}: {
  values: FilterValues;
  isFiltered: boolean;
}): JSX.Element {
  return (
    <form class="filter" method="get" action="/admin/refusals" aria-label="Filter">
      <label>
        <span>Reason</span>
        <select name="cause">
          <option value="">any</option>
          {REFUSAL_CAUSES.map((cause) => (
            <option key={cause} value={cause} selected={values.cause === cause}>
              {causeName(cause)}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>Guard</span>
        <select name="guard">
          <option value="">any</option>
          {GUARDS.map((guard) => (
            <option key={guard} value={guard} selected={values.guard === guard}>
              {GUARD_NAMES[guard].name}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>Outcome</span>
        <select name="outcome">
          <option value="">any</option>
          <option value="refused" selected={values.outcome === 'refused'}>
            refused
          </option>
          <option value="observed" selected={values.outcome === 'observed'}>
            only observed
          </option>
        </select>
      </label>
      <label>
        <span>Address</span>
        <input name="address" value={values.address} maxLength={100} spellcheck={false} />
      </label>
      <label>
        <span>Job ID or upstream ID</span>
        <input name="job" value={values.job} maxLength={128} spellcheck={false} />
      </label>
      <label>
        <span>From (UTC)</span>
        <input type="datetime-local" name="from" step="0.001" value={formMoment(values.from)} />
      </label>
      <label>
        <span>To (UTC)</span>
        <input type="datetime-local" name="to" step="0.001" value={formMoment(values.to)} />
      </label>
      <div class="filter-buttons">
        <button type="submit">Show</button>
        {isFiltered ? <a href="/admin/refusals">Clear</a> : null}
      </div>
    </form>
  );
}
