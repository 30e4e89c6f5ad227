"""Build the package that users install and that Beam sends to its workers."""

import re
from pathlib import Path

from setuptools import find_packages, setup

_HERE = Path(__file__).parent
[_VERSION] = re.findall(
    r'^__version__ = "(.+)"$', (_HERE / "imagebeam/version.py").read_text(), re.M
)

setup(
    name="imagebeam",
    version=_VERSION,
    description="Label every image of an archive with a TensorFlow Hub module on Apache Beam.",
    long_description=(_HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    keywords=["apache-beam", "image-classification", "litert", "tensorflow-hub", "mobilenet"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        # `.ci/run` tests 3.11, and `.ci/pythons` the others.
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    python_requires=">=3.10",
    packages=find_packages(include=["imagebeam", "imagebeam.*"]),
    package_data={
        "imagebeam": ["py.typed"],
        "imagebeam.modules": ["*.txt"],
        "imagebeam.modules.handles": ["*.tsv"],
        "imagebeam.report": ["template/**"],
        "imagebeam.samples": ["archive/**", "archive_truth.csv", "module/**"],
    },
    # Minimum versions. requirements.txt holds the exact versions that are tested.
    install_requires=[
        "ai-edge-litert>=2.0",
        # The job relies on internals of Beam, which test_beam_internals.py checks.
        "apache-beam>=2.77,<2.78",
        "flatbuffers>=24.3",
        "google-cloud-storage>=3.0",
        "jinja2>=3.1",
        "numpy>=1.26",
        "pillow>=12.1.1",
        "pyarrow>=18.0",
        "pyyaml>=6.0",
        "rich>=13.0",
        "shtab>=1.7",
        # 2.6.3 fixes security problems with redirects and compressed bodies.
        "urllib3>=2.6.3",
    ],
    extras_require={
        # Beam needs these to submit to Dataflow. Its own extra [gcp] installs forty clients.
        "dataflow": [
            # Without it, Beam treats every refusal as temporary, and retries.
            "google-apitools>=0.5.31",
            "google-auth-httplib2>=0.2",
            "google-cloud-dataflow-client>=0.13",
        ],
        "delta": ["deltalake>=1.6"],
        "heif": ["pillow-heif>=1.0"],
        "hf": ["huggingface_hub>=0.30"],
        # With catalogues in SQLite, which need no server.
        "iceberg": ["pyiceberg[sql-sqlite]>=0.12"],
        "kaggle": ["kagglehub>=0.3.12"],
        "onnx": ["onnx>=1.17", "onnxruntime>=1.20"],
        "profile": ["py-spy>=0.4"],
        "s3": ["boto3>=1.36"],
        "tensorflow": [
            "tensorflow>=2.18",
            "tensorflow-hub>=0.16.1",
            "tf_keras>=2.18",
            # tensorflow_hub imports pkg_resources, which setuptools 82 removed.
            "setuptools<82",
        ],
    },
    entry_points={"console_scripts": ["imagebeam = imagebeam.__main__:main"]},
)
