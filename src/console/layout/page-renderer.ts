import { Injectable, Logger } from '@nestjs/common';
import { h } from 'preact';
import { render } from 'preact-render-to-string';
import { Settings } from '../../platform/config/settings.js';
import { prefixAddresses } from '../../platform/http/path-prefix.js';
import { ConsoleAssets } from './console-assets.js';
import { Layout } from './layout.js';
import { OpenAlerts, type ShownAlert } from './open-alerts.js';
import type { Page } from '../components/page.js';
import type { Session } from '../session/sessions.service.js';

/** Puts a page into the frame that all pages share. */
@Injectable()
export class PageRenderer {
  private readonly logger = new Logger(PageRenderer.name);

  constructor(
    private readonly settings: Settings,
    private readonly assets: ConsoleAssets,
    private readonly alerts: OpenAlerts,
  ) {}

  async render(page: Page, session: Session | undefined): Promise<string> {
    const alerts = session === undefined ? [] : await this.openAlerts();
    const frame = h(Layout, { page, session, alerts, assets: this.assets });
    return `<!doctype html>${prefixAddresses(render(frame), this.settings.pathPrefix)}`;
  }

  /** An error of the banner must not hide the error page. */
  private async openAlerts(): Promise<readonly ShownAlert[]> {
    try {
      return await this.alerts.list();
    } catch (error) {
      this.logger.warn({ msg: 'open alerts could not be read', err: error });
      return [];
    }
  }
}
