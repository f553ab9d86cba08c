import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsOptional, IsUUID } from 'class-validator';
import { IsMoment } from '../platform/http/moment.js';

export class ResendDto {
  /** The endpoint; default: all enabled endpoints that the event was for. */
  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @IsUUID()
  endpointId?: string;
}

export class ResentDto {
  /** Endpoints that get the event again, with the same id. */
  endpointIds!: string[];
}

export class RecoverDto {
  /** Events since this moment. */
  @ApiProperty({ example: '2026-11-25T18:13:00Z' })
  @IsMoment()
  since!: string;

  /** Only counts the deliveries. */
  @IsOptional()
  @IsBoolean()
  @ApiPropertyOptional({ default: false })
  dryRun: boolean = false;
}

export class RecoveryDto {
  /** Deliveries that are sent again, or would be. */
  @ApiProperty({ type: 'integer' })
  deliveries!: number;

  dryRun!: boolean;
}

export class TestEventDto {
  @ApiProperty({ format: 'uuid' })
  eventId!: string;
}
