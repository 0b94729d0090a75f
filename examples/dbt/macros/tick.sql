{#- For on-run-end: close and evaluate batches that are due. Nothing where no pgslo is, as in a developer's database. -#}
{% macro tick() -%}
    {%- if execute and flags.WHICH in ('run', 'build', 'seed', 'snapshot') -%}
        {%- set found = run_query("SELECT to_regprocedure('pgslo.tick()') IS NOT NULL") -%}
        {%- if found.rows[0][0] -%}SELECT pgslo.tick(){%- endif -%}
    {%- endif -%}
{%- endmacro %}
