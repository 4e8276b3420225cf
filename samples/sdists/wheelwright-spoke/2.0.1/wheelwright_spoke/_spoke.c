/* The length of a spoke by the law of cosines. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>

static const double PI = 3.14159265358979323846;

PyDoc_STRVAR(spoke_length_doc,
"spoke_length(hub_radius, rim_radius, spokes, crossings)\n"
"\n"
"The length from the hub's flange to the rim, in the unit of the radii. A spoke leaves the hub\n"
"turned by `crossings` holes; 0 is a wheel whose spokes are radii.");

static PyObject *
spoke_length(PyObject *module, PyObject *args)
{
    double hub_radius, rim_radius;
    int spokes, crossings;
    (void)module;
    if (!PyArg_ParseTuple(args, "ddii:spoke_length", &hub_radius, &rim_radius, &spokes, &crossings))
        return NULL;
    if (hub_radius <= 0 || rim_radius <= hub_radius || spokes < 2 || crossings < 0) {
        PyErr_SetString(PyExc_ValueError, "no wheel has these measures");
        return NULL;
    }
    double angle = 4.0 * PI * crossings / spokes;
    double square = hub_radius * hub_radius + rim_radius * rim_radius
        - 2.0 * hub_radius * rim_radius * cos(angle);
    return PyFloat_FromDouble(sqrt(square));
}

static PyMethodDef methods[] = {
    {"spoke_length", spoke_length, METH_VARARGS, spoke_length_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_spoke", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__spoke(void)
{
    return PyModule_Create(&definition);
}
