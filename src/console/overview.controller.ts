import { Controller, Get, Param, Post, Query, Redirect } from '@nestjs/common';
import { h } from 'preact';
import { AdminAlerts } from '../admin/admin-alerts.js';
import { DEFAULT_RANGE, isRange, OverviewService } from '../admin/overview.service.js';
import { ConsolePages } from './console-pages.decorator.js';
import { OpenAlerts } from './layout/open-alerts.js';
import { Overview } from './pages/overview.page.js';
import { Page } from './components/page.js';
import { CurrentSession } from './session/session.decorator.js';
import type { Session } from './session/sessions.service.js';

const MAX_ALERTS = 5;

@ConsolePages()
@Controller('admin')
export class OverviewController {
  constructor(
    private readonly overview: OverviewService,
    private readonly alerts: AdminAlerts,
    private readonly shownAlerts: OpenAlerts,
  ) {}

  @Get()
  async show(@Query() query: Record<string, unknown>): Promise<Page> {
    const range = isRange(query['range']) ? query['range'] : DEFAULT_RANGE;
    const [overview, lastAlerts] = await Promise.all([
      this.overview.readOverview(range),
      this.shownAlerts.recent(MAX_ALERTS),
    ]);
    const scripts = ['chart.js', 'charts.js'];
    return new Page('Overview', 'overview', h(Overview, { range, overview, lastAlerts }), scripts);
  }

  @Post('alerts/:id/acknowledge')
  @Redirect('/admin', 303)
  async acknowledge(@CurrentSession() { actor }: Session, @Param('id') id: string): Promise<void> {
    await this.alerts.acknowledge(actor, id);
  }
}
