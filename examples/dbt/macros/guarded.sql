{#- The guarded view of a model or a source: dbt keeps the lineage, and readers are warned. `view` is that of a task. -#}
{% macro guarded(relation, view=none) -%}
    {%- if view is not none -%}
        {%- set parts = view.split('.') -%}
        {{ return(api.Relation.create(database=relation.database, schema=parts[0], identifier=parts[1])) }}
    {%- endif -%}
    {{ return(api.Relation.create(
        database=relation.database, schema=var('pgslo_guarded_schema', 'guarded'), identifier=relation.identifier)) }}
{%- endmacro %}
