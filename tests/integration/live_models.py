"""An artifact as it would be served: published into stores in memory, live, and loaded by the serving interpreter."""

from lambent.adapters.litert import LiteInterpreterLoader
from lambent.domain.model import LIVE, ModelChoice
from lambent.services.load_model import ModelCache, ModelResolver, ServedModel
from lambent.services.predict import PredictService, Timings
from lambent.services.publish import publish_version
from lambent.services.set_label import set_label
from lambent.services.version_files import VersionFiles
from lambent_toolkit.fakes import FakeAudit, FakeClock, FakeObjectStore, FakeRegistry
from lambent_toolkit.modelkit.artifact import Artifact


def live_model(artifact: Artifact) -> ServedModel:
    """Publish an artifact, let it be live, and load it."""
    store, registry, clock = FakeObjectStore(), FakeRegistry(), FakeClock()
    ref = publish_version(artifact.files, artifact.contract, store=store, registry=registry, clock=clock).ref
    set_label(ref.name, LIVE, ref.version, registry=registry, clock=clock)
    files = VersionFiles(registry, store, FakeAudit())
    models = ModelCache(files, LiteInterpreterLoader(), clock, capacity_bytes=10**9)
    service = PredictService(ModelResolver(registry, clock, label_ttl_s=1.0), models)
    return service.model(ModelChoice(ref.name), Timings())
