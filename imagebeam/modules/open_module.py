"""Open a handle as a module that workers can load."""

from dataclasses import replace
from pathlib import Path

from imagebeam.modules.class_names import IMAGENET_CLASS_COUNT, imagenet_class_names
from imagebeam.modules.errors import ModuleError, defects_named
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.catalogue import DEMO, PUBLISHER
from imagebeam.modules.handles.digest_pins import verified_digest
from imagebeam.modules.handles.download import Progress
from imagebeam.modules.handles.handle import Handle, resolve
from imagebeam.modules.litert.flatbuffer import read_flatbuffer, read_interface
from imagebeam.modules.metadata import FLATBUFFER_ASSET
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.notes import notes_of
from imagebeam.modules.tensorflow.cached_tasks import compiled, described
from imagebeam.modules.tensorflow.subprocess import require_tensorflow
from imagebeam.modules.trial import try_file
from imagebeam.modules.types import (
    ENGINES,
    LITERT,
    ONNX,
    ONNX_SUFFIX,
    TENSORFLOW,
    Module,
    ModuleInfo,
)

AUTO = "auto"


def open_module(
    handle: str,
    engine: str = AUTO,
    cache: Path | None = None,
    progress: Progress | None = None,
    options: ModuleOptions = NO_OPTIONS,
) -> Module:
    """Resolve `handle`, verify its pin, read its interface and make it ready for `engine`.

    Args:
        handle: a name of the catalogue, `demo`, a directory (TF1 Hub format or SavedModel), a
            `.tar.gz` of one or a `.tflite` file, local or in a gs:// or s3:// bucket, or a TF-Hub
            URL; "@sha256:..." after it pins its digest.
        engine: "litert", "tensorflow" or "auto", which takes LiteRT for every module that it can
            run.
        cache: directory for fetched, unpacked and compiled modules; None for `imagebeam` in the
            cache directory of the user.
        progress: shows the progress of a download.
        options: facts that the module does not state, or states wrongly.

    Raises:
        ModuleError: the handle or the module cannot be used.
    """
    if engine not in (AUTO, *ENGINES):
        raise ModuleError(
            f"{engine!r}: no such engine. Choose one of {', '.join((AUTO, *ENGINES))}."
        )
    with defects_named(handle):
        return _open(handle, engine, Cache(cache), progress, options)


def _open(
    handle: str, engine: str, store: Cache, progress: Progress | None, options: ModuleOptions
) -> Module:
    parsed = Handle.parse(handle)
    resolved = resolve(parsed.text, store, progress)
    digest = verified_digest(parsed.text, resolved.path, parsed.pin, store)
    is_known = resolved.published is not None or parsed.text == DEMO
    file = resolved.path if resolved.path.is_file() else _shipped(resolved.path, options)
    if engine != TENSORFLOW and not is_known and file is not None:
        try_file(file, store, options)
    module = _prepare(parsed.text, resolved.path, digest, engine, store, options)
    info = _with_class_names(module.info)
    if resolved.published is not None:
        info = replace(
            info,
            names_assumed=False,
            network=resolved.published.network,
            provenance={"publisher": PUBLISHER, "archive": resolved.published.archive},
        )
    return replace(module, info=info, notes=(*resolved.notes, *notes_of(info)))


def compile_module(
    handle: str, output: Path, cache: Path | None = None, options: ModuleOptions = NO_OPTIONS
) -> tuple[str, ...]:
    """Compile the SavedModel that `handle` names to the flatbuffer file `output`.

    `output` appears only when it is complete; an existing file is replaced.

    Args:
        handle: as for `open_module`, but not a flatbuffer.
        output: the file to write.
        cache: as for `open_module`.
        options: facts that the module does not state; the file states them.

    Returns:
        What a user must know about the compiled module, see `notes`.

    Raises:
        ModuleError: as for `open_module`; or LiteRT cannot run the module; or `output` cannot be
            written.
    """
    with defects_named(handle):
        return _compile(handle, output, Cache(cache), options)


def _compile(handle: str, output: Path, store: Cache, options: ModuleOptions) -> tuple[str, ...]:
    parsed = Handle.parse(handle)
    path = resolve(parsed.text, store).path
    digest = verified_digest(parsed.text, path, parsed.pin, store)
    if path.suffix == ONNX_SUFFIX and path.is_file():
        raise ModuleError(
            f"{parsed.text!r}: an ONNX file, which runs as it is. Convert it to a SavedModel "
            "first, for example with onnx2tf."
        )
    if path.is_file():
        raise ModuleError(
            f"{parsed.text!r}: already a flatbuffer. Give the module from which it was made."
        )
    # Jobs import this module and compile nothing here.
    from imagebeam.modules.annotate import annotated, write_annotated

    result = compiled(parsed.text, path, digest, store, options)
    if result.refusal is not None:
        raise ModuleError(f"{parsed.text!r}: {result.refusal}. Use --engine {TENSORFLOW}.")
    content = result.flatbuffer.read_bytes()
    info = read_interface(content, repr(parsed.text), options.of_input).info
    if options.of_input != NO_OPTIONS:
        content = annotated(content, None, options.of_input, repr(parsed.text))
    write_annotated(output, content)
    return notes_of(info)


def _prepare(
    handle: str, path: Path, digest: str, engine: str, cache: Cache, options: ModuleOptions
) -> Module:
    if path.suffix == ONNX_SUFFIX and path.is_file():
        return _on_onnx(handle, path, digest, engine, options)
    if engine == ONNX:
        raise ModuleError(f"{handle!r}: the engine {ONNX!r} runs only {ONNX_SUFFIX} files.")
    if path.is_file():
        if engine == TENSORFLOW:
            raise ModuleError(
                f"{handle!r}: a flatbuffer, which the engine {TENSORFLOW!r} cannot run. "
                f"Use --engine {LITERT}."
            )
        return _on_litert(handle, digest, path, "it is a flatbuffer", path, options)
    shipped = _shipped(path, options)
    if engine != TENSORFLOW and shipped is not None:
        reason = f"it ships {FLATBUFFER_ASSET}"
        return _on_litert(handle, digest, shipped, reason, path, options)
    if engine == TENSORFLOW:
        require_tensorflow(handle, f"the engine {TENSORFLOW!r}")
        info = described(path, digest, cache, options)
        return Module(handle, digest, TENSORFLOW, path, info, "--engine names it", path)
    result = compiled(handle, path, digest, cache, options)
    if result.refusal is None:
        stated, reason = options.of_input, "LiteRT can run it"
        module = _on_litert(handle, digest, result.flatbuffer, reason, path, stated)
        kept = (*module.info.contradictions, *result.info.contradictions)
        return replace(module, info=replace(module.info, contradictions=kept))
    if engine == LITERT:
        raise ModuleError(f"{handle!r}: {result.refusal}. Use --engine {TENSORFLOW}.")
    known = options.of_input == NO_OPTIONS
    info = result.info if known else described(path, digest, cache, options)
    return Module(handle, digest, TENSORFLOW, path, info, result.refusal, path)


def _shipped(path: Path, options: ModuleOptions) -> Path | None:
    """Return the flatbuffer in the folder of a SavedModel, if it can be used with `options`."""
    shipped = path / FLATBUFFER_ASSET
    return shipped if shipped.is_file() and options.of_graph == NO_OPTIONS else None


def _on_onnx(handle: str, path: Path, digest: str, engine: str, options: ModuleOptions) -> Module:
    if engine not in (AUTO, ONNX):
        raise ModuleError(
            f"{handle!r}: an ONNX file, which the engine {engine!r} cannot run. "
            f"Use --engine {ONNX}."
        )
    from imagebeam.modules.engines.onnx import OnnxEngine

    info = OnnxEngine(path.read_bytes(), repr(str(path)), options).info
    return Module(handle, digest, ONNX, path, info, "it is an ONNX file", path)


def _on_litert(
    handle: str, digest: str, flatbuffer: Path, reason: str, source: Path, options: ModuleOptions
) -> Module:
    info = read_interface(read_flatbuffer(flatbuffer), repr(str(flatbuffer)), options).info
    return Module(handle, digest, LITERT, flatbuffer, info, reason, source)


def _with_class_names(info: ModuleInfo) -> ModuleInfo:
    if info.class_names is None and info.class_count == IMAGENET_CLASS_COUNT:
        return replace(info, class_names=imagenet_class_names(), names_assumed=True)
    return info
