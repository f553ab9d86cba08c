import { Controller, Get, Query } from '@nestjs/common';
import { h } from 'preact';
import { ConsolePages } from './console-pages.decorator.js';
import { Overview } from './overview.page.js';
import { isRange, OverviewService } from './overview.service.js';
import { Page } from './page.js';

@ConsolePages()
@Controller('admin')
export class OverviewController {
  constructor(private readonly overview: OverviewService) {}

  @Get()
  async show(@Query() query: Record<string, unknown>): Promise<Page> {
    const range = isRange(query['range']) ? query['range'] : '24h';
    const figures = await this.overview.figures(range);
    const scripts = ['chart.js', 'charts.js'];
    return new Page('Overview', 'overview', h(Overview, { range, figures }), scripts);
  }
}
