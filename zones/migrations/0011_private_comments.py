"""Events of records have one comment, masked where it is private; those in the log had two fields."""

import json

from django.db import migrations


def put_together(apps, schema_editor):
    LogEvent = apps.get_model("realtime", "LogEvent")
    told = LogEvent.objects.using(schema_editor.connection.alias).filter(event_type__startswith="record_")
    for pk, text in list(told.filter(data__contains='"private_comment"').values_list("pk", "data")):
        data = json.loads(text)
        comment = data["record"].pop("private_comment")
        if comment is not None:
            data["record"]["comment"] = comment
        told.filter(pk=pk).update(data=json.dumps(data, ensure_ascii=False, separators=(",", ":")))


class Migration(migrations.Migration):
    dependencies = [("zones", "0010_two_characters"), ("realtime", "0009_client_names")]

    operations = [migrations.RunPython(put_together, migrations.RunPython.noop)]
