-- A queue's table lives on dead rows being cleared soon.
ALTER TABLE rota_run SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1
);
ALTER TABLE rota_counter SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE rota_schedule SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE rota_node SET (fillfactor = 50);
ALTER TABLE rota_duty SET (fillfactor = 50);
